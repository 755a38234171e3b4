from softmaxd_training.frames.options import ReadOptions


def test_by_default_the_file_decides() -> None:
    assert ReadOptions() == ReadOptions(separator=None, encoding=None, header=None, sheet=None)
