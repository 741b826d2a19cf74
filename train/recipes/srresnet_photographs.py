"""Photographs at four times their size by SRResNet, narrow and shallow, trained on 200 photographs.

    python -m train --recipe=srresnet_photographs --workdir=runs/srresnet --config.data.name=lowres:patches:bsds200
    python -m train.evaluate.super_resolution --source=runs/srresnet --pictures=set5,set14,bsd100 --output=srresnet.png

The folder bsds200/ has the 200 training photographs of BSDS300 (Martin, Fowlkes, Tal and Malik 2001), or any others.
The paper has 16 blocks of 64 channels, patches of 96 pixels, 350 thousand photographs and a million steps at 1e-4
(section 3.2). On a GPU its network trains with --config.model.blocks=16 --config.model.base_channels=64
--config.data.image_size=96 --config.data.crop=32 --config.data.stride=64 --config.train_steps=1000000
--config.optimizers.generator.learning_rate=1e-4: not run at full length.

Result: PSNR in dB and SSIM at x4: 30.30 and .8592 on Set5 (bicubic 28.42 and .8104; the paper's network 32.05), 27.35
and .7481 on Set14 (26.00 and .7019; 28.49), 26.90 and .7113 on BSD100 (25.96 and .6674; 27.58). The paper's network is
1 to 2 dB better.
Protocol: PSNR and SSIM as `zoo.metrics.super_resolution` says, averaged weights at the last step; one run with seed 0
(--config.seed), hence no spread.
Time: 26 minutes of one core that other work shared.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 12_000
    config.batch_size = 8
    config.sample_every = 3000
    config.sample_count = 16
    config.checkpoint_every = 1000
    config.data = source("lowres:patches:bsds200", factor=4, image_size=64, crop=32, stride=64, flip=True, turn=True)
    config.model = model("srresnet", base_channels=32, blocks=4)
    config.optimizers.generator = adam(1e-3)
    config.optimizers.generator.schedule = "cosine"
    return config
