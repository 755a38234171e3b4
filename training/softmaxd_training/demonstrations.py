"""The texts of the cards of the demonstrations, in Markdown; `card` fills in their figures."""

BLOBS = """\
# {name}, version {version}

Tells four clouds of points in the plane apart. This is the classifier of the tutorial "Softmax activation function" by
Kajal Pawar, trained again and calibrated. It is a demonstration: small, quick, and known in every detail.

![The training data: four clouds of points](data.png)

| | |
| --- | --- |
| Input | `features`, float32 `[n, {width}]`; in the training rows {features} |
{outputs}
| Network | Dense 12 relu, Dense 8 relu, Dense {classes} softmax |
| Training | categorical cross-entropy, Adam 0.001, batches of 5, {epochs} epochs |
| Rows | {rows} |
| Choice | seed {seed}, which has the lowest validation loss of {runs} seeds |

{origin_of_rows}

## Expected figures

{fresh}

| | before calibration | this model | the truth |
| --- | ---: | ---: | ---: |
| loss, nats | {fresh_loss_before:.6f} | {fresh_loss:.6f} ({loss_range}) | {fresh_bayes_loss:.1g} |
| error rate | {fresh_error:.4%} | {fresh_error:.4%} ({error_range}) | |
| Kullback-Leibler divergence, nats | {fresh_divergence_before:.6f} | {fresh_divergence:.6f} | 0 |
| mean error of the given label's probability | {fresh_posterior_error_before:.6f} | {fresh_posterior_error:.6f} | 0 |
| largest error of the typicality | | {fresh_typicality_error:.3f} | 0 |

| coverage of the prediction sets | measured |
| ---: | ---: |
{coverages}

No classifier can expect a lower loss than the truth has; it is this low because the clouds lie ten standard deviations
apart. The divergence measures how far the model's probabilities are from the true ones. The true typicality of a point
is the share of all points that are at least as far from their nearest centre.

{article}

{figures}

On the {validation_rows:,} validation rows the loss is {validation_loss:.6f} before calibration.

![Loss and accuracy by epoch](history.png)

{confusion}

## Spread

A single run says little. These are the results of every seed that was trained, with the same network and the same
rows, before calibration, with the 95% interval of the accuracy on the {test_rows:.0f} test rows:

| seed | validation loss | test loss | test accuracy |
| ---: | ---: | ---: | ---: |
{spread}

The test loss ranges from {lowest:.6f} to {highest:.6f}; its median is {middle:.6f}.

{calibration}

{sets}

{typicality}

## Limits

![Decision regions](regions.png)

- The model is sure far away from all data, too. The point (15, 200) is more than 120 standard deviations from every
  centre, and its highest probability is {far[0]:.3f}. A probability tells which label fits best, not whether any label
  fits. The typicality tells that: for this point it is {far[1]:.3f}, the lowest possible value.
- Clouds that hardly overlap say little about calibration: nearly every row is certain, and the temperature depends on
  the few rows that are not.
{limits}

{origin}
"""

ORIGIN_OF_ROWS = """
The {train} training rows and the {test} test rows are the article's. All others are drawn from the same four clouds,
with other seeds: the article has none for calibration, and too few for the choice."""

FRESH = """
Measured on {rows:,.0f} rows that were drawn anew and used for nothing else, with 95% intervals. The points are drawn
from four Gaussian distributions, so their true probabilities are known:"""

ARTICLE = """
The article reports an accuracy of 100% and a loss of {article_loss:.6f} on its {test_rows:.0f} test rows, from one run.
On these rows this model has {test_loss:.6f}. So few rows tell little: with this very model, {sets:.0%} of all sets of
{test_rows:.0f} fresh rows have a loss of at most {article_loss:.6f}."""

MORE_EPOCHS = """
The article trains for 30 epochs. Of 30, 60, 120 and 240 epochs, 120 have the lowest loss on the validation rows, with
the best of 8 seeds. The test rows took no part in this choice."""

DIGITS = """\
# {name}, version {version}

Reads a handwritten digit from a picture of 8 × 8 pixels. The pictures come with scikit-learn: E. Alpaydin and
C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning Repository, 1998. It is a demonstration of
a model whose rows are tensors.

![Test pictures: some right answers, and all wrong ones](answers.png)

| | |
| --- | --- |
| Input | `features`, float32 `[n, 8, 8]`: a picture row by row, from the top left; 0 is blank, 16 the darkest |
{outputs}
| Network | Conv2D 16 and 32 of 3 × 3 relu, MaxPooling2D, Conv2D 32 of 3 × 3 relu, Dense {classes} softmax |
| Training | categorical cross-entropy, Adam 0.001, batches of 64, {epochs} epochs, dropout 0.25 and 0.5 |
| Rows | {rows}; split at random, with about the same share of every digit in each part |
| Choice | seed {seed}, which has the lowest validation loss of {runs} seeds |

Each training picture counts five times: as it is, and moved by one pixel in each direction.

{figures}

On the {validation_rows} validation rows the loss is {validation_loss:.6f} before calibration.

![Loss and accuracy by epoch](history.png)

{confusion}

## Spread

These are the results of every seed that was trained, with the same network and the same rows, before calibration, with
the 95% interval of the accuracy on the {test_rows:.0f} test rows:

| seed | validation loss | test loss | test accuracy |
| ---: | ---: | ---: | ---: |
{spread}

{calibration}

{sets}

{typicality}

## Limits

- The pictures were made from forms that 43 people filled in. Digits that are drawn in another way, or scaled in another
  way, may be read worse, though the model is as sure of them: look at the typicality, too.
- Typicality compares the 64 pixels of a picture with those of the training pictures. It finds pictures that are no
  digit at all, such as a page of ink, rather than digits that are hard to read.
{limits}

{origin}
"""
