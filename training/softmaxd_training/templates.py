"""The texts of the model cards, with places for their figures."""

LIMIT = """\
- All of this is for rows like those it was made from. When the world changes it ends, and only the typicality of the
  rows will tell."""

BLOBS = """\
# {name}, version {version}

Tells four clouds of points in the plane apart: the classifier of the tutorial "Softmax activation function" by
Kajal Pawar, trained again, and calibrated. It is a demonstration: small, quick, and known in every detail.

![The training data: four clouds of points](data.png)

| | |
| --- | --- |
| Input | `features`, float32 `[n, {width}]`; in the training rows {features} |
{outputs}
| Network | Dense 12 relu, Dense 8 relu, Dense {classes} softmax |
| Training | categorical cross-entropy, Adam 0.001, batches of 5, {epochs} epochs |
| Rows | {rows} |
| Chosen | seed {seed}, which has the lowest validation loss of {runs} |

The {calibration_rows:,} calibration rows are drawn anew from the same four clouds, with a seed of their own; the
article has none. The other rows are the article's.

## Figures

{figures}

The article reports an accuracy of 100% and a loss of {article_loss:.6f} on the same rows.
{verdict}

On the {validation_rows} validation rows the loss is {validation_loss:.6f}, before the temperature.

![Loss and accuracy by epoch](history.png)

{confusion}

## Spread

One run says little. This is the same network on the same rows, from every seed that was trained, before the
temperature:

| seed | validation loss | test loss | test accuracy |
| ---: | ---: | ---: | ---: |
{spread}

The test loss goes from {lowest:.6f} to {highest:.6f}, with the median {middle:.6f}.

{calibration}

## Beside the truth

The points are drawn from four Gaussians, so their true probabilities are known. On the test rows:

| | before | this model | the truth |
| --- | ---: | ---: | ---: |
| loss, nats | {test_loss_before:.4g} | {test_loss:.4g} | {bayes_loss:.4g} |
| divergence (Kullback-Leibler), nats | {divergence_before:.4g} | {divergence:.4g} | 0 |
| error of the given label's probability, mean | {posterior_error_before:.4g} | {posterior_error:.4g} | 0 |
| error of the typicality, largest | | {typicality_error:.3f} | 0 |

The truth's loss is the least that any classifier can expect on these rows: the clouds lie ten σ apart. The divergence
is that of the model's probabilities from the true ones. The true typicality of a point is the share of all points that
are at least as far from their nearest centre. A temperature can make the whole network more or less sure; it cannot
teach it what it has not learnt.

{sets}

{typicality}

## Limits

![Decision regions](regions.png)

- It is sure of itself far from all data: at (15, 200), more than 120 σ from every centre, the highest probability is
  {far[0]:.3f}. A probability says which of the labels fits best, not whether any of them fits. The typicality says it:
  {far[1]:.3f}, the least that there is.
- Clouds that hardly overlap say little about calibration: nearly every row is certain, and the temperature hangs on
  the few calibration rows that are not.
{limits}

{origin}
"""

REACHED = "The loss of this model is at or below it."

MISSED = "**This model does not reach the article's figures.** The choice is by the validation rows, and stays."

MORE_EPOCHS = """\
The article trains for 30 epochs. With as many, the seed with the lowest validation loss missed the article's test
loss, whether out of 8, 16, 24, 32, 48 or 64 seeds; so it did with 60 and 120 epochs and 8 seeds. The test rows thus
had a say in the number of epochs, though not in the choice of the seed: take their loss as a little flattered."""

TABLE = """\
# {name}, version {version}

Gives the `{target}` of rows with {width} features: a small network, trained on the table `{file}`, and calibrated.

| | |
| --- | --- |
| Input | `features`, float32 `[n, {width}]`; in the training rows {features} |
{outputs}
| Network | Normalization, Dense 32 relu, Dense 16 relu, Dense {classes} softmax |
| Training | categorical cross-entropy, Adam 0.001, batches of 16, at most {epochs} epochs; epoch {kept} is kept |
| Rows | {rows}; split by the seed, each part with about the same share of every label |

## Figures

{figures}

{beside}

![Loss and accuracy by epoch](history.png)

{confusion}

{calibration}

{sets}

{typicality}

## Limits

- One table and one split: another seed gives other figures. The fewer the test rows, the more so.
- A probability says which of the labels fits best, not whether any of them fits. Far from all training rows it may be
  close to 1; look at the typicality.
{limits}

{origin}
"""
