"""Exercises of lesson 08: following a teacher's checkpoints, after Rezagholizadeh et al. 2022 as we read them."""

from __future__ import annotations

from kdviz.course.check import exercise
from kdviz.course.check.parts import Draw


def _path(draw: Draw) -> tuple:
    count, share = draw.integer(3, 5), draw.integer(3, 5)
    step = draw.integer(0, count - 1) * share + (draw.seed % 2) * (share - 1)  # the first or the last of a stage
    return draw.normal(count, 4, 5, scale=2), step, count * share


@exercise(_path)
def pro_target(checkpoint_logits, step, steps):
    """Younger teachers first, each at its share of the final loudness: that is the corner called B."""
    logits, n = checkpoint_logits, len(checkpoint_logits)
    j, rounded, turn = step * n // steps, round(step / steps * (n - 1)), step % n
    phi, now, last = (j + 1) / n, logits[j], logits[-1]
    halved = [(rounded + 1) / n * logits[rounded], rounded / (n - 1) * logits[rounded]]
    grown = [(step + 1) / steps * now, step / steps * now]
    return phi * now, {
        "this is the finished teacher at every step; on the path, checkpoint j has its own share of the steps.": last,
        "right checkpoint, wrong loudness: annealed, checkpoint j of n is scaled by φ = j/n, counted from 1.": now,
        "you counted from 0: the first checkpoint would be silent and the last never at its own loudness. φ = j/n "
        "with j from 1.": j / n * now,
        "the finished teacher made quiet: that is Annealing-KD. Here the checkpoint changes as well.": phi * last,
        "you walk the path backwards: the first checkpoint, the least trained, comes first.": phi * logits[-1 - j],
        "rounding gives the first and the last checkpoint half a share: all are equal, j = step·n // steps.": halved,
        "the checkpoints take turns; each has its share of the steps in one piece.": (turn + 1) / n * logits[turn],
        "φ grows with every step; it stays the same while one checkpoint is followed.": grown,
        "φ divides the teacher as a temperature would, making it larger. It multiplies.": now / phi,
        "these are probabilities; the target is made of logits.": [(phi * now).softmax(-1), phi * now.softmax(-1)],
        "this is the mean of all checkpoints so far; follow the one whose turn it is.": logits[: j + 1].mean(0),
    }


def _scores(draw: Draw) -> tuple:
    dev, test = draw.uniform(3, 6, high=0.3).double(), draw.uniform(3, 6).double()
    dev[:, 2] += 0.4
    dev[0, 0] = 0.95  # one lucky seed
    dev[:, 3] = dev.new_tensor([0.1, 0.8, 0.8])  # high in the median, low in the mean
    test[:, 4] += 1.0
    return dev, test


@exercise(_scores)
def checkpoint_choice(dev, test):
    """That is what a search for the best checkpoint costs: one student for every column, to read one number."""
    chosen, seed, seen = dev.mean(0).argmax(), dev.mean(1).argmax(), [test.mean(0).max(), test.max()]

    def worth(checkpoint):
        return test[:, checkpoint].mean()

    return worth(chosen), {
        "you chose where the *test* score is highest. A choice is made on dev; test only tells what came of it.": seen,
        "this is the dev score of the chosen checkpoint: it flatters, being the highest of several.": dev.mean(0).max(),
        "one checkpoint is chosen for all seeds, by the mean over them; you let every seed choose its own.": (
            test.gather(1, dev.argmax(1, keepdim=True)).mean()
        ),
        "the highest single dev score is the luck of one seed. Mean over seeds first.": worth(dev.amax(0).argmax()),
        "you chose by the median; take the mean over the seeds.": worth(dev.median(0).values.argmax()),
        "this is the last checkpoint. Search among all of them.": worth(-1),
        "you chose the worst checkpoint on dev: higher is better.": worth(dev.mean(0).argmin()),
        "this is the place of the chosen checkpoint; asked is what it is worth on test.": chosen,
        "this is the mean over all checkpoints; choose one.": test.mean(),
        "rows and columns are mixed up: seeds are rows, checkpoints columns.": [test[seed].mean(), worth(seed)],
    }
