"""Writes data sets as CSV, to try training on a table with: well-known ones, and a made one."""

import csv
import re
from typing import TextIO

from sklearn import datasets

from softmaxd_training.subscriptions import write_subscriptions

TARGETS = {"iris": "species", "wine": "cultivar", "breast_cancer": "diagnosis"}


def write_example(name: str, file: TextIO) -> None:
    """Write one of scikit-learn's data sets, or the subscriptions, with the label as the last column.

    Iris is in centimetres.
    """
    if name == "subscriptions":
        write_subscriptions(file)
        return
    bunch = getattr(datasets, f"load_{name}")()
    header = [re.sub(r"\W+", "_", column.removesuffix(" (cm)")) for column in bunch.feature_names]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*header, TARGETS[name]])
    for features, label in zip(bunch.data.tolist(), bunch.target_names[bunch.target].tolist(), strict=True):
        writer.writerow([*features, label])
