"""The measured tables of unfolding, of its generator, and of the errors of AUCs."""

import statistics
from collections.abc import Iterable

from tables import Results, beyond, each, markdown, significant, spread, with_error

METHODS = {
    "reco": "reco",
    "prior": "prior",
    "sbunfold": "SBUnfold",
    "omnifold": "OmniFold",
    "cinn": "cINN",
    "cfm": "flow matching",
    "didi": "DiDi",
    "sbunfold_published": "SBUnfold as published",
}
TASKS = {"stress": "stress", "vincia": "Vincia", "small": "small"}
FIFTH = 0.2


def unfolding(results: Results) -> str:
    """Compare all methods of unfolding on all tasks."""
    rows = []
    for name, task in TASKS.items():
        runs = list(results[name].values())
        scores = {method: [run["scores"][method] for run in runs] for method in METHODS}
        others = [method for method in METHODS if method != "reco"]
        far = [each(map(_far, scores[method], scores["reco"])) for method in others]
        rows += [
            [f"{task}: AUC, network / trees", *map(_aucs, scores.values())],
            [f"{task}: mean EMD over its floor", *(significant(_ratios(rows)) for rows in scores.values())],
            [f"{task}: beyond, of six", "", *far],
            [f"{task}: above the 99 percent, of six", "", *(each(map(beyond, scores[method])) for method in others)],
        ]
    rows += [
        ["coverage, percent", *(_coverage(results["stress"]["0"]["runs"].get(name)) for name in METHODS)],
        ["fit on Vincia, seconds", *(_seconds(results["vincia"].values(), name) for name in METHODS)],
    ]
    return markdown(["", *METHODS.values()], rows)


def _aucs(scores: list) -> str:
    return " / ".join(f"{statistics.fmean(row[f'auc_{kind}'] for row in scores):.3f}" for kind in ("mlp", "trees"))


def _ratios(scores: list) -> list[float]:
    return [o["emd_ratio"] for row in scores for o in row["observables"].values()]


def _far(row: Results, reco: Results) -> int:
    """Count the observables beyond both a fifth of the distance of reco and the 99 percent quantile."""
    pairs = [(o, reco["observables"][name]["emd"]) for name, o in row["observables"].items()]
    return sum(o["emd"] > max(FIFTH * far, o["emd_floor_99"]) for o, far in pairs)


def _coverage(run: Results | None) -> str:
    """Write the largest deviation of all observables, in percent, of a method that has posteriors."""
    if not run or not run["coverage"]:
        return ""
    return f"{100 * max(o['deviation'] for o in run['coverage'].values()):.1f}"


def _seconds(runs: Iterable[Results], name: str) -> str:
    found = [run["runs"][name]["seconds_fit"] for run in runs if name in run["runs"]]
    return f"{statistics.median(found):.0f}" if found else ""


def prior_correction(results: Results) -> str:
    """Show the mean of unfolded normal events over that of the truth, for three smearings."""
    runs = {tuple(name.split(", ")[:2]): [] for name in results if ", seed " in name}
    for name in (name for name in results if ", seed " in name):
        runs[tuple(name.split(", ")[:2])].append(results[name])
    rows = []
    for smearing in sorted({smearing for _, smearing in runs}):
        found = [runs[method, smearing] for method in ("exact", "cinn", "sbunfold")]
        uncorrected = statistics.fmean(run["uncorrected"] / run["truth"] for run in found[0])
        iterations = [run["iterations"] for column in found for run in column]
        means = [with_error(*_mean([run["mean"] / run["truth"] for run in column])) for column in found]
        rows.append([smearing.removeprefix("smearing "), f"{uncorrected:.2f}", *means, spread(iterations, 0)])
    return markdown(
        ["smearing", "posterior without correction", "exact posterior", "cINN", "SBUnfold", "iterations"], rows
    )


def _mean(values: list[float]) -> tuple[float, float]:
    """Return the mean and its error."""
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5


def profile_omnifold(results: Results) -> str:
    """Show what Profile OmniFold finds for the nuisance parameter, over many seeds."""
    rows = [
        [
            f"{row['data']:,} / {row['simulation']:,}, simulation theta = {row['nominal']:g}",
            str(row["seeds"]),
            with_error(row["theta"]["mean"], row["theta"]["mean_error"]),
            f"{row['sigma']:.4f}",
            with_error(row["pull"]["width"], row["pull"]["width_error"]),
        ]
        for row in results["studies"].values()
    ]
    return markdown(
        ["events of data / simulation", "seeds", "mean theta_hat", "sigma (median)", "width of the pulls"], rows
    )


def omnifold_gaussian(results: Results) -> str:
    """Show the mean and width that OmniFold finds on the Gaussian examples, and their pulls from the truth."""
    rows = [
        [
            f"{name}, seed {seed}",
            with_error(run["mean"], run["error_mean"]),
            f"{run['pull_mean']:+.1f}",
            with_error(run["width"], run["error_width"]),
            f"{run['pull_width']:+.1f}",
        ]
        for name in ("minimal", "full")
        for seed, run in enumerate(results[name])
    ]
    return markdown(["example", "mean", "pull", "width", "pull"], rows)


def zjets_generated(results: Results) -> str:
    """Show how far the means of generated events lie from those of the published sample."""
    rows = [
        [
            name.capitalize(),
            f"{results[name]['events']:,}",
            str(sum(len(results[name][level]) for level in ("gen", "sim"))),
            f"{results[name]['largest_pull']:.2f}",
        ]
        for name in ("pythia", "vincia")
    ]
    return markdown(["generator", "events", "observables", "largest difference of means, in standard errors"], rows)


def auc_errors(results: Results) -> str:
    """Show the spread of AUCs of repeated samples without a difference, and the errors that are quoted for them."""
    rows = []
    for name in (name for name in results if name.endswith(", null")):
        row, (classifier, size, kind, _) = results[name], name.split(", ")
        events, features = size.split(" x ")
        numbers = [f"{row[key]:.4f}" for key in ("spread", "error", "delong")]
        rows.append([f"{classifier}, {kind}, {events} events of {features} features", *numbers])
        rows[-1] += [f"{row['spread_over_error']:.2f}", f"{row['spread_over_delong']:.2f}"]
    return markdown(
        ["", "spread of AUCs", "quoted error", "DeLong's", "spread over quoted", "spread over DeLong's"], rows
    )
