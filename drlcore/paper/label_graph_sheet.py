"""The arrays behind the picture of label spreading: one small graph of pretrained features."""

from __future__ import annotations

import numpy as np
import torch

from drlcore.data.datasets import load_dataset
from drlcore.data.label_splits import LabelSplit, label_split
from drlcore.laplacenet.classifier import Classifier, FineTuning
from drlcore.laplacenet.label_graph import normalised_affinity, pseudo_labels
from drlcore.model import EncoderModel
from drlcore.paper.sheets import Arrays
from drlcore.training.run import RunParameters

IMAGES, CLASSES = 300, 10
LABELS_PER_CLASS = 2
NEIGHBOURS = 8  # of 300; the 50 of 50,000 would join everything to everything


def label_graph_sheet(run: RunParameters, model: EncoderModel) -> Arrays:
    """Labels spread over a few training images, before any fine-tuning.

    The first of each class, as many of one as of another; of ten classes where there are more.
    Features are read at the encoder time that fine-tuning starts from.

    Returns:
        positions float32 (N, 2), t-SNE of the unit features; edges int64 (M, 2), node numbers;
        true, given (-1: not given) and spread int64 (N,): class labels.
    """
    from sklearn.manifold import TSNE

    dataset = load_dataset(run.dataset)
    n_classes = min(CLASSES, dataset.n_classes)
    labels = dataset.train.y.numpy()
    of_class = [np.flatnonzero(labels == c)[: IMAGES // n_classes] for c in range(n_classes)]
    chosen = np.sort(np.concatenate(of_class))
    x, y = dataset.train.x[chosen], labels[chosen]
    start = FineTuning.model_fields["t"].default
    classifier = Classifier(model, n_classes, start, learn_t=False).eval()
    device = next(model.parameters()).device
    with torch.no_grad():
        features = classifier.to(device).features(x.to(device)).cpu().numpy()
    split = LabelSplit(n_labels=LABELS_PER_CLASS * n_classes)
    labelled = label_split(y, split, n_classes)
    given = np.full(len(y), -1)
    given[labelled] = y[labelled]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    positions = TSNE(perplexity=20, init="pca", random_state=0).fit_transform(unit)
    edges = np.argwhere(np.triu(normalised_affinity(features, NEIGHBOURS).toarray()) > 0)
    spread = pseudo_labels(features, labelled, y[labelled], n_classes, NEIGHBOURS)
    return {"positions": positions, "edges": edges, "true": y, "given": given, "spread": spread}
