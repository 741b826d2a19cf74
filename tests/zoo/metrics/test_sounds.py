"""Measures of sounds: known distributions, known tones."""

import numpy as np
import pytest

from zoo.metrics import sounds

RATE = 8000.0


def tones(frequencies, samples=4000, peak=0.5, lead=0):
    t = np.arange(samples) / RATE
    made = peak * np.sin(2 * np.pi * np.asarray(frequencies)[:, None] * t)
    return np.pad(made, ((0, 0), (lead, 0)))


def test_a_unigram_and_a_bigram_find_the_entropies_of_a_chain():
    """Two levels that stay with probability .9: 1 bit alone, .469 bits after the one before."""
    random = np.random.default_rng(0)
    states = np.cumsum(random.random((40, 5000)) > 0.9, axis=1) % 2
    audio = sounds.mu_law_value(np.array([40, 200])[states])
    counted = np.ones(audio.shape, bool)
    entropy = -(0.9 * np.log2(0.9) + 0.1 * np.log2(0.1))
    for fit, bits in ((sounds.unigram, 1.0), (sounds.bigram, entropy)):
        assert fit(audio[:20], counted[:20])(audio[20:])[:, 1:].mean() == pytest.approx(bits, abs=0.02)


def test_simple_models_are_distributions_over_all_levels_and_fitted_to_what_counts():
    audio = sounds.mu_law_value(np.random.default_rng(1).integers(256, size=(5, 400)))
    counted = np.zeros(audio.shape, bool)
    counted[:, 200:] = True
    every = np.repeat(audio[:1], 256, axis=0)
    every[:, 300] = sounds.mu_law_value(np.arange(256))
    for fit in (sounds.unigram, sounds.bigram):
        bits = fit(audio, counted)(every)
        assert (2.0 ** -bits[:, 300]).sum() == pytest.approx(1)
    changed = audio.copy()
    changed[:, :199] = 0.5  # what does not count, but for the sample before the first that does
    np.testing.assert_array_equal(sounds.bigram(changed, counted)(audio), sounds.bigram(audio, counted)(audio))


def test_the_values_of_16_bits_are_shared_out_among_the_levels():
    widths = sounds.widths_of_levels()
    assert widths.sum() == 65536 and widths.min() > 0
    assert widths[0] > 50 * widths[127] and abs(widths[0] - widths[255]) <= 2


def test_a_sound_begins_where_it_is_heard():
    quiet_then_loud = np.array([[0.0, 0.004, 0.5, -0.2, 0.3], [0.1, 0.0, 0.0, 0.0, 0.2], [0.0] * 5])
    made = sounds.from_the_first_heard(quiet_then_loud, 4)
    np.testing.assert_array_equal(made, [[0.5, -0.2, 0.3, 0], [0.1, 0, 0, 0], [0] * 4])


def test_loudness_by_hand():
    made = sounds.levels_in_db(np.stack([np.ones(100), 0.1 * np.ones(100), np.zeros(100)]))
    np.testing.assert_allclose(made, [0, -20, -80])
    assert sounds.levels_in_db(tones([400.0], peak=1.0))[0] == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("frequency", [250.0, 1000.0, 2500.0])
def test_a_tone_is_in_its_band_and_as_loud_as_it_is(frequency):
    powers = sounds.band_powers(tones([frequency], peak=0.1), RATE)
    mel = np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 34)
    nearest = np.abs(700 * (10 ** (mel[1:-1] / 2595) - 1) - frequency).argmin()
    assert (powers[0].argmax(axis=1) == nearest).all()
    assert powers.shape[2] == 32 and powers[0, :, nearest].mean() == pytest.approx(-20, abs=6)
    assert powers[0, 3, 0 if nearest > 16 else 31] == -60


def test_features_do_not_depend_on_loudness_nor_on_silence_around():
    plain = sounds.features(tones([500.0, 900.0]), RATE)
    assert plain.shape == (2, 512)
    np.testing.assert_allclose(sounds.features(tones([500.0], peak=0.25), RATE)[0], plain[0], atol=3)
    later = sounds.features(np.pad(tones([500.0]), ((0, 0), (2560, 1280))), RATE)[0]
    assert np.abs(later - plain[0]).mean() < 0.3 * np.abs(plain[1] - plain[0]).mean()


def test_sounds_like_the_real_ones_are_near_and_others_are_not():
    random = np.random.default_rng(2)
    real, alike, other = (tones(random.uniform(*limits, 40)) for limits in ((300, 600), (300, 600), (2000, 3000)))
    near, far = (sounds.compare(real, made, RATE) for made in (alike, other))
    assert near["spectral_distance_db"] < 3 < 10 < far["spectral_distance_db"]
    assert near["level_db"] == pytest.approx(near["reference_level_db"], abs=0.1)
    assert sounds.compare(real, real * 0.5, RATE)["level_db"] == pytest.approx(
        near["reference_level_db"] - 6.02, abs=0.01
    )
    assert sounds.compare(real, real * 0, RATE)["silent"] == 1 and near["silent"] == 0
