"""Figure of notebooks 10 and 11: the dial with several score networks."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from drlcore.paper.plots.style import line_over_sigma


def network_dial(table: pd.DataFrame, read: str = "ink", kept: str = "ink") -> Figure:
    """What is read and what is paid for by level, a line for each score network.

    Above: class and a factor read from the code, test images, dashed an untrained encoder; the loss
    with the own code over that of the first network, same seed. Below: worth of the code and what
    of it class and a factor keep. Bands are one standard deviation over seeds.

    Args:
        table: tidy test probes and usage of single levels with a column ``network``, nan for the
            untrained encoder.
        read, kept: the factors above and below.
    """
    panels = {
        "knn_accuracy": "class accuracy, read",
        f"{read}_r2": f"{read.replace('_', ' ')} R², read",
        "relative_loss": "loss / the first network's",
        "worth": "worth of the code",
        "kept_class": "share of it kept by the class",
        f"kept_{kept}": f"share of it kept by the {kept.replace('_', ' ')}",
    }
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.4), sharex=True)
    trained = table[table.network.notna() & ((table.split == "test") | table.at_sigma.notna())]
    networks = list(dict.fromkeys(trained.network))
    loss = trained[trained.metric == "loss_own"].set_index(["network", "sigma_max", "seed"]).value
    relative = (loss / loss.loc[networks[0]]).reset_index().assign(metric="relative_loss")
    drawn = pd.concat([trained, relative])
    control = table[table.network.isna() & (table.split == "test")]
    for ax, (metric, title) in zip(axes.flat, panels.items(), strict=True):
        ax.set_visible(metric in drawn.metric.values)  # none of classes without labels
        for k, network in enumerate(networks):
            of_network = drawn[drawn.network == network]
            line_over_sigma(ax, of_network, metric, f"C{k}", label=network)
        if (of_metric := control[control.metric == metric]).size:
            label = "an untrained encoder"
            ax.axhline(of_metric.value.mean(), color="0.5", ls="--", lw=1, label=label)
        ax.set(xscale="log", title=title)
    for ax in axes[1]:
        ax.set_xlabel("σ trained at")
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure
