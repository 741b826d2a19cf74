"""How much do the features that a model learned know of classes that it never saw?

Features are (count, *shape), taken as vectors; labels are integers (count,). A figure says little alone: beside it
belong those of the raw pixels and of as many principal components (`pca`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.metrics.distances import points, squared_blocks
from zoo.shared.errors import UserError

_STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)  # values of C: the smaller, the more the weights are held back
_ONE_IN = 5
_LEAST = 1e-12  # a probability that rounding made 0
_ACTIVE = 0.01


def linear_probe(train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> dict[str, Any]:
    """Return the test "accuracy" of a multinomial logistic regression on the features, and the "c" that was chosen.

    Alain & Bengio (2016). The features are brought to mean 0 and deviation 1 by the statistics of the training set. Of
    five values, 0.001 to 10, C is the one that gives the labels of a fifth of the training set, picked at random and
    kept from the fit, the highest likelihood; the smallest of them if several do. The likelihood chooses better than
    the accuracy, because few labels make coarse accuracies. The regression is then fitted to the whole training set:
    the test set chooses nothing. Fewer than 4 training examples or 2 classes are a `UserError`.
    """
    from sklearn.linear_model import LogisticRegression

    train_x, train_y, test_x, test_y = _labelled_sets(train_x, train_y, test_x, test_y)
    classes = len(np.unique(train_y))
    if len(train_y) < 4 or classes < 2:
        raise UserError(
            f"a probe cannot be trained on {len(train_y)} examples of {classes} classes: use 4 or more, of 2 or more"
        )
    mean, deviation = train_x.mean(axis=0), train_x.std(axis=0)
    # a constant feature becomes 0; rounding may leave it a deviation, by which one that varies in the test set would be
    # divided
    deviation[np.ptp(train_x, axis=0) == 0] = 1
    train_x, test_x = (train_x - mean) / deviation, (test_x - mean) / deviation

    # every fifth by class: the parts have the classes in the same shares. Without the last, as without the first, the
    # fitted part keeps two classes
    shuffled = np.random.default_rng(0).permutation(len(train_y))
    by_class = shuffled[np.argsort(train_y[shuffled], kind="stable")]
    held_out = np.isin(np.arange(len(train_y)), by_class[2:-1:_ONE_IN])
    probe = LogisticRegression(max_iter=1000, warm_start=True)
    likelihoods = []
    for c in _STRENGTHS:  # each fit starts from the one before
        probe.set_params(C=c).fit(train_x[~held_out], train_y[~held_out])
        # labels that the fitted part lacks match no class and say nothing about C
        of_labels = probe.predict_proba(train_x[held_out])[train_y[held_out][:, None] == probe.classes_]
        likelihoods.append(np.log(np.maximum(of_labels, _LEAST)).sum())
    c = _STRENGTHS[int(np.argmax(likelihoods))]
    probe = LogisticRegression(C=c, max_iter=1000).fit(train_x, train_y)
    return {
        "accuracy": float(probe.score(test_x, test_y)),
        "c": c,
        "dimension": train_x.shape[1],
        "count_train": len(train_y),
        "count_test": len(test_y),
    }


def nearest_neighbour_accuracy(
    train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray
) -> float:
    """Return the share of test examples whose nearest training example (Euclidean) has their label.

    The features are compared as they are: their scales count. If several are nearest, the first of them votes.
    """
    train_x, train_y, test_x, test_y = _labelled_sets(train_x, train_y, test_x, test_y)
    nearest = np.concatenate([squares.argmin(axis=1) for _, squares in squared_blocks(test_x, train_x)])
    return float((train_y[nearest] == test_y).mean())


def k_means(x: np.ndarray, y: np.ndarray, clusters: int, seed: int = 0) -> dict[str, Any]:
    """Return how well k-means, which does not see the labels, finds the classes `y` (count,).

    "accuracy" is the `matching_accuracy` of the clusters, "normalised_mutual_information" is their mutual information
    with the classes over the mean of both entropies: 0 for independence, 1 for the same partition. The best of 10
    starts (k-means++, Arthur & Vassilvitskii 2007) counts; its choice does not see the labels either. More clusters
    than examples are a `UserError`.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import normalized_mutual_info_score

    (x,), y = points(features=x), _labels(x, y)
    if not 1 <= clusters <= len(x):
        raise UserError(f"{len(x)} examples do not make {clusters} clusters: use from 1 to {len(x)}")
    found = KMeans(clusters, n_init=10, random_state=seed).fit_predict(x)
    return {
        "accuracy": matching_accuracy(found, y),
        "normalised_mutual_information": float(normalized_mutual_info_score(y, found)),
        "clusters": clusters,
        "seed": seed,
        "count": len(x),
    }


def matching_accuracy(found: np.ndarray, classes: np.ndarray) -> float:
    """Return the accuracy of clusters as classes, under the best matching of one cluster to one class at most.

    Papers on clustering call it ACC (Franti & Sieranoja 2024). Both are integers (count,). There may be more clusters
    than classes, or fewer: the examples of a cluster that is left over count as wrong.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = (np.unique(labels, return_inverse=True)[1] for labels in (found, _labels(found, classes)))
    table = np.zeros((rows.max() + 1, columns.max() + 1), int)
    np.add.at(table, (rows, columns), 1)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(rows))


def pca(train_x: np.ndarray, d: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the projection on the first `d` principal components of `train_x`: features (count, *shape) to (count, d).

    The projection subtracts the mean of the training set and does not scale the components. More components than
    there are examples or features are a `UserError`.
    """
    from sklearn.decomposition import PCA

    (train_x,) = points(train=train_x)
    if not 1 <= d <= min(train_x.shape):
        raise UserError(
            f"{len(train_x)} examples of {train_x.shape[1]} features do not have {d} principal components: use from 1 "
            f"to {min(train_x.shape)}"
        )
    fitted = PCA(d, random_state=0).fit(train_x)

    def project(x: np.ndarray) -> np.ndarray:
        return fitted.transform(points(features=x)[0])

    return project


def active_units(means: np.ndarray) -> int:
    """Return how many latent dimensions are in use: those whose posterior mean varies over the data by more than 0.01.

    Burda, Grosse & Salakhutdinov (2016): the variance over x of the mean of q(u | x). `means` are (count, D), a row for
    each of many examples.
    """
    (means,) = points(means=means)
    return int((means.var(axis=0) > _ACTIVE).sum())


def _labelled_sets(
    train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    train_y, test_y = _labels(train_x, train_y), _labels(test_x, test_y)
    train_x, test_x = points(train=train_x, test=test_x)
    return train_x, train_y, test_x, test_y


def _labels(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    y = np.asarray(y)
    if y.shape != (len(x),):
        raise UserError(f"labels of shape {y.shape} do not belong to {len(x)} examples: use one integer for each")
    return y
