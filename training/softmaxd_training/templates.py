"""The texts of the model cards, in Markdown; `card` fills in their figures."""

OUTPUTS = """\
| Output | `logits` and `probabilities`, float32 `[n, {classes}]`: {labels} |
| | `atypicality`, float32 `[n]`: squared Mahalanobis distance to {nearest} |"""

FIGURES = """\
## Figures

{measured}

| | before calibration | this model | 95% interval |
| --- | ---: | ---: | ---: |
| accuracy | {test_accuracy:.2%} | {test_accuracy:.2%} | {accuracy} |
| loss, nats | {test_loss_before:.4g} | {test_loss:.4g} | {loss} |
| Brier score, 0 to 2 | {test_brier_before:.4g} | {test_brier:.4g} | {brier} |
| expected calibration error, {bins} parts of equal size | {test_ece_before:.4g} | {test_ece:.4g} | {chance} by chance |

{intervals}"""

MEASURED = """
Measured on the {test_rows:,.0f} test rows, which were not used for {uses}. The page `docs/trust.md` of softmaxd
explains the figures."""
OF_TRAINED = "training, for choosing the network or for calibration"
OF_CALIBRATED = "calibration"

INTERVALS = """
Other rows of the same kind would give other figures. An interval holds the figure of all such rows in 95 of 100 tests
like this one. The calibration error of few rows is above 0 even if the model is perfectly honest: the last interval
has 95% of the errors that chance alone would give. A loss is not estimable if the {few} highest of so many rows make
up half of it, or if all are the same."""
NOT_ESTIMABLE = "not estimable from {rows:,.0f} rows"

BY_LABEL = """\
{shown}

| label | test rows | recall | given to rows | precision |
| --- | ---: | ---: | ---: | ---: |
{rows}"""
EACH_LABEL = """\
How many of the test rows with a label are given it (recall), and how many that are given it have it (precision), with
95% intervals:"""
LOWEST_RECALL = """\
The {number} labels with the lowest recall. How many of the test rows with a label are given it (recall), and how many
that are given it have it (precision), with 95% intervals:"""

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
The logits are divided by the temperature {temperature:.4f}, which {effect}. It is the temperature
with the lowest loss on the {rows:,} {part} rows. It is {place}, and every program that runs the file gets
calibrated probabilities."""

IN_THE_WEIGHTS = "part of the last layer's weights and bias, so it takes no time"
IN_THE_GRAPH = "part of the graph"

TEMPERATURE_AT_AN_END = (
    " It is at the end of the range that is searched, {coldest} to {hottest:.0f}: do not rely on it."
)

TEMPERATURE_OF_ONE = """
The temperature is 1, which changes nothing. On the {rows:,} {part} rows no other temperature lowers the loss by
more than chance may. If the model labels every row right, being surer always looks better; if it is no better than
chance, being less sure does."""

DIAGRAM = """
Each point stands for {sizes} test rows about which the model is about equally sure; the lines are 95% confidence
intervals. On the diagonal, the model is right as often as it is sure."""

PREDICTION_SETS = """\
## Prediction sets

A prediction set is a list of labels that should hold the true label at least as often as its coverage says. This is how
often the sets of the {test_rows:,} test rows do, with 95% intervals. If all is well, 95% of such measurements are in
the range:

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
typicality should be spread evenly: {lowest} of {rows} are in the lowest tenth, {share}. No typicality is below
1/{ranks:,}, which is {least:.4f}."""

STRANGE = """\


How often a strange row looks stranger than an ordinary test row, of all such pairs (AUROC), with 95% intervals. 50% is
chance, and a share below it means that the strange rows look more ordinary than the test rows do:

{columns}
{rows}"""
ONE_DISTANCE = """\
| strange rows | look stranger |
| --- | --- |"""
TWO_DISTANCES = """\
| strange rows | look stranger, by {nearest} | by {other}, which is not used |
| --- | --- | --- |"""
SHUFFLED = "test rows in which every feature comes from another test row"
SHIFTED = "test rows in which every number is larger by the standard deviation of its feature"
OF_A_LABEL = "test rows of one label, if the typicality is made without it; each label in turn"
OF_TENTH_LABELS = "test rows of a tenth of the labels, if the typicality is made without them; each tenth in turn"

LIMIT = """\
- All figures are for rows like those that the model was made from. If the world changes, they no longer hold, and only
  the typicality of the new rows will show it."""
NO_MISTAKE = "- No mistake on {rows:,} rows still allows an error rate of {rate:.1%} (95% interval of the accuracy)."
FEW_ROWS = "- {rows} calibration rows are few: another {rows} may give other figures."

ORIGIN = """\
## Origin

- `{command}`, {created}
- data: seed {data_seed}, SHA-256 `{data_sha256}`
- `model.onnx`: SHA-256 `{sha256}`
- largest difference between {program} and ONNX Runtime in any probability of the test rows: {difference:.0e}
- {packages}"""
