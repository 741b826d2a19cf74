"""Photographs at four times their size by SRGAN, which begins with SRResNet: sharper, at a lower PSNR.

    python -m train --recipe=srgan_photographs --init_from=runs/srresnet --workdir=runs/srgan \\
        --config.data.name=lowres:patches:bsds200
    python -m train.evaluate.super_resolution --source=runs/srresnet,runs/srgan --pictures=set5,set14 --output=srgan.png

The run runs/srresnet is that of the recipe srresnet_photographs. The content loss compares conv2_2, as the paper's
SRGAN-VGG22 does, of the network that comes along, which knows CIFAR-10. That network is small, so the squared error of
the pixels is added. The paper's SRGAN: --config.model.features=vgg19:FILE.h5 --config.model.content_layer=conv5_4
--config.model.pixel_weight=0.

The paper has 16 blocks of 64 channels, and 200 thousand steps, at 1e-4 and then at 1e-5 (section 3.2). On a GPU its
networks train with the overrides of srresnet_photographs, of which a run must come first: not run at full length.

Result: PSNR in dB and SSIM at x4: 28.57 and .8035 on Set5 (SRResNet, where it began, 30.30 and .8592; bicubic 28.42 and
.8104), 26.24 and .6919 on Set14 (27.35, 26.00), 25.89 and .6531 on BSD100 (26.90, 25.96). The paper's SRGAN loses 2.65
dB on Set5 (29.40 after 32.05), this one 1.73. Edges are crisper, and skin, hair and fur get a grain; even places get
some of it where there is none.
Protocol: PSNR and SSIM as `zoo.metrics.super_resolution` says, averaged weights at the last step; one run with seed 0
(--config.seed), hence no spread.
Time: 28 minutes of one core that other work shared.
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 4000
    config.batch_size = 8
    config.sample_every = 1000
    config.sample_count = 16
    config.checkpoint_every = 1000
    config.data = source("lowres:patches:bsds200", factor=4, image_size=64, crop=32, stride=64, flip=True, turn=True)
    config.model = model("srgan", base_channels=32, blocks=4, content_layer="conv2_2", pixel_weight=1.0)
    config.optimizers.discriminator = adam(1e-4)
    config.optimizers.generator = adam(1e-4)
    return config
