"""Limits of answers that no test reaches."""

from softmaxd.models.answers import AnswerLimits

NO_LIMITS = AnswerLimits(numbers=2**62, size=2**62)
