"""WaveNet of spoken digits, told which digit to say, or of recordings of one's own: 8 kHz, mu-law.

    python -m train --recipe=wavenet_digits --workdir=runs/wavenet_digits
    python -m train.evaluate --source=runs/wavenet_digits --metrics=bits_per_sample,sound

Recordings of one's own, such as speech, by the same network without labels, the last tenth of each held out, in one
line:

    python -m train --recipe=wavenet_digits --workdir=runs/wavenet_speech --config.data.name=wav:speech
        --config.data.held_out=end --config.data.whole=false --config.model.conditional=false --config.train_steps=2000

Result: 4.63 +- 0.08 bits a sample on held-out recordings (unigram of the levels 7.78, bigram 6.27). A classifier names
42 % of 500 samples as the digit that was asked for (chance 10 %), and 98.8 % of the held-out recordings. Samples have
-19.8 +- 4.7 dB, recordings -15.3 +- 1.9; their mean spectra are 2.9 dB apart, two halves of the recordings 1.3 dB.
Before the last 1,200 steps silence filled the rows instead of repetition. The model then waited before it spoke: 8 % of
200 samples were silent, 25 % named right, at 4.65 +- 0.08 bits. With twice the features and two stacks, 15,000 such
steps gave 4.13 +- 0.09 bits; of 200 samples 30 % were named right and 3 % silent. By recordings of one's own, 2,000
steps: 39 s of three readers 5.28 +- 0.10 bits (unigram 7.69, bigram 6.13); 14 s of one of them 5.82 +- 0.10 (7.81,
6.39); 38 s of an orchestra 7.36 +- 0.32 (7.77, 7.25), where the network is no better than a bigram: too little to learn
from.
Protocol: the last tenth of the 2,500 recordings is held out, by the same five speakers. Those longer than a row, 1 in
40, are left out. Silence is cut off their ends, and each has the peak .9. Bits a sample are of what was recorded, not
of the context, 528 samples of silence before each. Exact likelihoods, averaged weights; one seed, 0 (--config.seed),
hence no spread over seeds: errors are those over rows. Not tuned. The network of 4.63 bits had 10,000 steps on rows
with silence after the recording, then 1,200 steps at a rate of 3e-4 on rows as they are now, by --init_from.
Time: about 3 hours of one core (1 s a step, beside other work); 1 minute of one H200 (395 steps a second).
"""

from ml_collections import ConfigDict

from train.config import adam, defaults, model, source


def get_config() -> ConfigDict:
    """Return the configuration."""
    config = defaults()
    config.train_steps = 10_000
    config.batch_size = 8
    config.checkpoint_every = 1000
    config.sample_every = 5000
    config.sample_count = 20
    # the context is a receptive field of 513 samples and more; 0.64 s after it hold nearly every recording
    config.data = source("spoken_digit", whole=True, length=5648, context=528)
    config.model = model("wavenet", base_channels=32, skip_channels=128, depth=9, conditional=True)
    config.optimizers.network = adam(1e-3)
    config.optimizers.network.schedule = "cosine"
    return config
