"""What a model is worth: functions of samples or of log-likelihoods, and the protocols that go with the numbers."""
