"""Measures of a model's worth: functions of samples, pairs or log-likelihoods, and the protocols of the numbers."""
