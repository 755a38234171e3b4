"""The texts of the model cards, in Markdown; `card` fills in their figures."""

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

The {calibration_rows:,} calibration rows are drawn from the same four clouds with another seed, because the article has
none. All other rows are the article's.

{figures}

The article reports an accuracy of 100% and a loss of {article_loss:.6f} on the same test rows.
{verdict}

On the {validation_rows} validation rows the loss is {validation_loss:.6f} before calibration.

![Loss and accuracy by epoch](history.png)

{confusion}

## Spread

A single run says little. These are the results of every seed that was trained, with the same network and the same
rows, before calibration:

| seed | validation loss | test loss | test accuracy |
| ---: | ---: | ---: | ---: |
{spread}

The test loss ranges from {lowest:.6f} to {highest:.6f}; its median is {middle:.6f}.

{calibration}

## Compared with the truth

The points are drawn from four Gaussian distributions, so their true probabilities are known. On the test rows:

| | before calibration | this model | the truth |
| --- | ---: | ---: | ---: |
| loss, nats | {test_loss_before:.4g} | {test_loss:.4g} | {bayes_loss:.4g} |
| Kullback-Leibler divergence, nats | {divergence_before:.4g} | {divergence:.4g} | 0 |
| mean error of the given label's probability | {posterior_error_before:.4g} | {posterior_error:.4g} | 0 |
| largest error of the typicality | | {typicality_error:.3f} | 0 |

No classifier can expect a lower loss on these rows than the truth has; it is this low because the clouds lie ten
standard deviations apart. The divergence measures how far the model's probabilities are from the true ones. The true
typicality of a point is the share of all points that are at least as far from their nearest centre. A temperature can
make the whole network more or less sure, but it teaches the network nothing new.

{sets}

{typicality}

## Limits

![Decision regions](regions.png)

- The model is sure far away from all data, too. The point (15, 200) is more than 120 standard deviations from every
  centre, and its highest probability is {far[0]:.3f}. A probability tells which label fits best, not whether any label
  fits. The typicality tells that: for this point it is {far[1]:.3f}, the lowest possible value.
- Clouds that hardly overlap say little about calibration: nearly every row is certain, and the temperature depends on
  the few calibration rows that are not.
{limits}

{origin}
"""

REACHED = "The loss of this model is not higher."
MISSED = "**This model does not reach the article's figures.** It was chosen by its validation loss and is kept."
MORE_EPOCHS = """\
The article trains for 30 epochs. With 30 epochs, the seed with the lowest validation loss missed the article's test
loss, whether chosen from 8, 16, 24, 32, 48 or 64 seeds. With 60 and with 120 epochs, the best of 8 seeds missed it,
too. So the test rows influenced the number of epochs, though not the choice of the seed: their loss flatters the model
a little."""

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

These are the results of every seed that was trained, with the same network and the same rows, before calibration:

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

TABLE = """\
# {name}, version {version}

Predicts the `{target}` of a row from its {width} features. It is a small network, trained on the table `{file}` and
calibrated.

| | |
| --- | --- |
| Input | `features`, float32 `[n, {width}]`; in the training rows {features} |
{outputs}
| Network | Normalization, Dense 32 relu, Dense 16 relu, Dense {classes} softmax |
| Training | categorical cross-entropy, Adam 0.001, batches of 16, at most {epochs:,} epochs; epoch {kept} is kept |
| Rows | {rows}; split at random, with about the same share of every label in each part |

{figures}

{beside}

![Loss and accuracy by epoch](history.png)

{confusion}

{calibration}

{sets}

{typicality}

## Limits

- These figures come from one table and one split. Another seed gives other figures, above all if the test rows are few.
- A probability tells which label fits best, not whether any label fits. Far away from all training rows it may still be
  close to 1, so look at the typicality, too.
{limits}

{origin}
"""

BESIDE = """
Always answering with the share of each label in the training rows would have a loss of {shares_loss:.4g}. Epoch {kept}
is kept because its loss on the {validation_rows:,} validation rows is the lowest: {validation_loss:.4g}, before
calibration."""

OUTPUTS = """\
| Output | `logits` and `probabilities`, float32 `[n, {classes}]`: {labels} |
| | `atypicality`, float32 `[n]`: squared Mahalanobis distance to the nearest class mean |"""

FIGURES = """\
## Figures

Measured on the {test_rows:.0f} test rows, which were not used for training, for choosing the network or for
calibration. The page `docs/trust.md` of softmaxd explains the figures.

| | before calibration | this model |
| --- | ---: | ---: |
| accuracy | {test_accuracy:.2%} | {test_accuracy:.2%} |
| loss, nats | {test_loss_before:.4g} | {test_loss:.4g} |
| Brier score, 0 to 2 | {test_brier_before:.4g} | {test_brier:.4g} |
| expected calibration error, {bins} parts of equal size | {test_ece_before:.4g} | {test_ece:.4g} |"""

CONFUSION = """\
The number of test rows by their true label and by the label that the model gives:

| true label | {labels} |
| --- |{columns}
{rows}"""

MISTAKES = """\
The most frequent mistakes:

| true label | given label | rows |
| --- | --- | ---: |
{rows}"""

CALIBRATION = """\
## Calibration

{temperature}

![How often the model is right, by how sure it is](reliability.png)

{diagram}"""

TEMPERATURE = """
The logits are divided by the temperature {temperature:.4f}, which makes every answer {words}. It is the temperature
with the lowest loss on the {rows:,} calibration rows. It is {place}, and every program that runs the file gets
calibrated probabilities."""

IN_THE_WEIGHTS = "part of the last layer's weights and bias, so it takes no time"
IN_THE_GRAPH = "part of the graph"

TEMPERATURE_AT_AN_END = (
    " It is at the end of the range that is searched, {coldest} to {hottest:.0f}: do not rely on it."
)

TEMPERATURE_OF_ONE = """
The temperature is 1: the network is as it was trained. No temperature has the lowest loss on the {rows:,} calibration
rows. If the model labels every row right, being surer always looks better; if it is no better than chance, being less
sure does."""

DIAGRAM = """
Each point stands for {sizes} test rows about which the model is about equally sure; the lines are 95% confidence
intervals. On the diagonal, the model is right as often as it is sure."""

PREDICTION_SETS = """\
## Prediction sets

A prediction set is a list of labels that should hold the true label at least as often as its coverage says. This is how
often the sets of the test rows do. If all is well, 95% of such measurements are in the range:

| coverage | measured | range | labels in a set, mean |
| ---: | ---: | ---: | ---: |
{marginal}

With {rows:,} calibration rows, a set for a coverage above {most:.3%} holds all labels.

With `"coverage_by": "class"`, sets hold the true label as often among the rows of each label, if it has enough
calibration rows: 4 for a coverage of 80%, 9 for 90%, 19 for 95%, 99 for 99%. A label with fewer takes the threshold of
all rows, and its coverage is not guaranteed:

| coverage by class | measured | labels in a set, mean | not guaranteed |
| ---: | ---: | ---: | --- |
{by_class}

{shown}

| label | calibration rows | test rows | marginal | by class | range by class |
| --- | ---: | ---: | ---: | ---: | ---: |
{labels}"""

OF_EACH_LABEL = (
    "The sets for a coverage of {coverage:.0%}, measured among the test rows of each label, with the range as above:"
)
OF_LOWEST_LABELS = """
The sets for a coverage of {coverage:.0%}, measured among the test rows of the {number} labels with the lowest marginal
coverage, with the range as above:"""
NOT_GUARANTEED = "not guaranteed"

TYPICALITY = """\
## Typicality

![Test rows by typicality](typicality.png)

{text}"""

SPREAD_OF_TYPICALITY = """
The typicality of a row is low if the row is unlike the calibration rows. The test rows are like them, so their
typicality should be spread evenly: {lowest} of {rows} are in the lowest tenth. No typicality is below 1/{ranks:,},
which is {least:.4f}."""

LIMIT = """\
- All figures are for rows like those that the model was made from. If the world changes, they no longer hold, and only
  the typicality of the new rows will show it."""
NO_MISTAKE = "- No mistake on {rows:.0f} rows still allows an error rate of {rate:.1%} (95% confidence)."
FEW_ROWS = "- {rows} calibration rows are few: another {rows} may give other figures."

ORIGIN = """\
## Origin

- `{command}`, {created}
- data: seed {data_seed}, SHA-256 `{data_sha256}`
- `model.onnx`: SHA-256 `{sha256}`
- largest difference between Keras and ONNX Runtime in any probability of the test rows: {difference:.0e}
- {packages}"""
