"""Sets TensorFlow up as training does, before a test module imports it."""

import softmaxd_training  # noqa: F401 - for its environment variables
