"""How likely do models find handwritten digits that they have not seen (8 x 8 scans, binarised)?

DYNAMIC binarisation: a pixel is white with the probability that its grey level gives; training scans are redrawn for
every batch, the 299 held-out scans drawn once. Each row is the recipe MODEL_digits as it comes along, 3,000 steps on 64
scans (VAE: 6,000, DeepNADE: 10,000). The weights at the last step are judged, averaged where the recipe says so. The
VAE's figure is a lower bound, by 50 importance samples for each scan. DeepNADE's is that of an ensemble of 50 orders of
the pixels, others for each scan, and exact for it. All others are exact. Independent pixels, fitted to the training
scans, reach -27.22 nats.
"""

from train.studies import Column, Study


def get_study() -> Study:
    """Return the study."""
    return Study(
        recipe="nade_digits",
        rows={
            "NADE": {},
            "DeepNADE, 50 orders": {"recipe": "deep_nade_digits"},
            "VAE (a lower bound)": {"recipe": "vae_digits"},
            "PixelCNN": {"recipe": "pixel_cnn_digits"},
            "Gated PixelCNN": {"recipe": "gated_pixel_cnn_digits"},
            "PixelRNN, Row LSTM": {"recipe": "pixel_rnn_digits", "model.variant": "row_lstm"},
            "PixelRNN, Diagonal BiLSTM": {"recipe": "pixel_rnn_digits"},
        },
        metrics=("log_likelihood",),
        columns={
            "log-likelihood, nats (more is better)": Column("log_likelihood", "nats", digits=3),
            "bits per dimension (less is better)": Column("log_likelihood", "bits_per_dimension", digits=4),
        },
    )
