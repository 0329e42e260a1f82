"""The measured tables of the methods for showers."""

import re
import statistics

from tables import Results, auc, beyond, each, markdown, over_seeds, seeds, significant, spread, with_error

AUCS = {
    "auc_mlp": "AUC, network, all cells",
    "auc_trees": "AUC, boosted trees, all cells",
    "auc_mlp_above_1mev": "AUC, network, cells above 1 MeV",
    "auc_trees_above_1mev": "AUC, boosted trees, cells above 1 MeV",
}
DISTANCES = {
    "sum_over_e": "EMD of sum/E, over its floor's mean",
    "largest_over_e": "EMD of the largest cell",
    "cells_above_1mev": "EMD of the cells above 1 MeV",
    "cell_spectrum": "EMD of the cell spectrum",
}
REPEATED = {"sum_over_e": "sum/E", "largest_over_e": "the largest cell", "cells_above_1mev": "the cells above 1 MeV"}


def squirels(results: Results) -> str:
    """Compare GFlash, and what both bridges make of it, with Geant4."""
    gflash, methods = results["gflash"], [seeds(results, name) for name in ("matching", "dsb")]
    observables = gflash["observables"]
    rows = [
        [text, "0.50", auc(gflash[key]), *(over_seeds([row[key] for row in rows], 3) for rows in methods)]
        for key, text in AUCS.items()
    ]
    for key, text in DISTANCES.items():
        floor = observables[key]["emd_floor_99"] / observables[key]["emd_floor_mean"]
        ratios = [[row["observables"][key]["emd_ratio"] for row in rows] for rows in methods]
        cells = [over_seeds(values, 2) for values in ratios]
        rows.append([text, f"1 (99 %: {floor:.1f})", significant([observables[key]["emd_ratio"]]), *cells])
    rows += [
        [f"Observables of {len(observables)} beyond their 99 %", "", str(beyond(gflash))]
        + [each(map(beyond, runs)) for runs in methods],
        ["Largest pull of mean or width of sum/E, five energy bins", "", each([_pull(gflash)], 1)]
        + [each(map(_pull, runs), 2) for runs in methods],
        ["Copies of training showers? KS p of neighbour distances", "", ""]
        + [spread([row["copies"]["ks_p_value"] for row in runs], 3) for runs in methods],
        ["Correlation of input and output cells", "", "1"]
        + [f"{statistics.fmean(row['input_output_correlation'] for row in runs):.2f}" for runs in methods],
        ["Refinement, batches of 1000, ms a shower", "", ""]
        + [significant([row["ms_per_shower"]["median"] for row in runs]) for runs in methods],
        ["Fit, minutes", "", ""] + [significant([row["seconds_fit"] / 60 for row in runs]) for runs in methods],
    ]
    if all("repeated" in row for runs in methods for row in runs):
        rows += [
            [f"Width of {text} when one shower is refined again and again, over Geant4's", "1", "0"]
            + [over_seeds([row["repeated"][key] for row in runs], 2) for runs in methods]
            for key, text in REPEATED.items()
        ]
    return markdown(["", "Geant4's own floor", "GFlash", "matching (default)", "DSB, cut to two cores"], rows)


def _pull(row: Results) -> float:
    """Return the largest pull of mean or width of the response."""
    return max(abs(energies[f"{moment}_pull"]) for energies in row["response"] for moment in ("mean", "width"))


def caloflow(results: Results) -> str:
    """Compare generated showers with Geant4's at the same energies."""
    students = seeds(results, "student")
    columns = [[results["floor"]], [row["teacher"] for row in students], students, seeds(results, "coupling")]
    rows = [
        [f"AUC, network / trees, {text}"]
        + [" / ".join(over_seeds([row[f"auc_{kind}{key}"] for row in rows], 3) for kind in _KINDS) for rows in columns]
        for key, text in {"_layers": "layer energies", "": "all cells", "_above_1mev": "cells above 1 MeV"}.items()
    ]
    rows.append([f"Observables of {len(results['floor']['observables'])} beyond their 99 %"])
    rows[-1] += [each(map(beyond, runs)) for runs in columns]
    rows.append(["Distance to the training showers, over that of unseen ones", ""])
    rows[-1] += [over_seeds([_distance(row["copies"]) for row in runs], 3) for runs in columns[1:]]
    batches = [entry["batch"] for entry in students[0]["timing"]]
    rows.append([f"ms a shower at batch {' / '.join(f'{batch:,}' for batch in batches)}", ""])
    rows[-1] += [
        " / ".join(significant([row["timing"][i]["mean_ms"] for row in runs]) for i in range(len(batches)))
        for runs in columns[1:]
    ]
    return markdown(["", "Geant4's own floor", "autoregressive (default)", "its student", "coupling (CaloINN)"], rows)


_KINDS = ("mlp", "trees")


def _distance(copies: Results) -> float:
    return copies["generated_median"] / copies["unseen_median"]


def calibration(results: Results) -> str:
    """Compare the calibration by likelihood with a regression of the mean, for two priors of the training."""
    names = [f"{method}_{prior}" for method in ("flow", "mse") for prior in _PRIORS]
    runs = {name: seeds(results["methods"], name) for name in names}
    flows = [seeds(results["resolution_over_mse"], prior) for prior in _PRIORS]
    coverage = [seeds(results["coverage"], prior) for prior in _PRIORS]
    rows = [
        [f"Largest deviation of a bin's {what}, percent", *(each(map(_worst(what), runs[name]), 2) for name in names)]
        for what in ("mode", "median")
    ]
    errors = [[bin["error"] for run in runs[name] for bin in run["mode"]] for name in names]
    rows.append(["Errors of a bin's mode, percent"])
    rows[-1] += [spread([100 * error for error in column], 1) for column in errors]
    rows.append(["Median at the upper edge of the training's energies, percent from 1"])
    rows[-1] += [
        ", ".join(f"{100 * (run['median_at_edge']['high']['value'] - 1):+.1f}" for run in runs[name])
        + f" (± {100 * max(run['median_at_edge']['high']['error'] for run in runs[name]):.2g})"
        for name in names
    ]
    rows += [
        ["Resolution over that of MSE, response corrected", *(_values(column, 1, 2) for column in flows), "", ""],
        ["Intervals that cover, percent (68.3 expected)", *(_values(column, 100, 1) for column in coverage), "", ""],
    ]
    between = [max(map(abs, results["prior_difference"][name]["difference"])) for name in ("flow", "mse")]
    rows.append(["Largest difference between the two priors in a bin, percent"])
    rows[-1] += [f"{100 * between[0]:.2g}", "", f"{100 * between[1]:.2g}", ""]
    deviation = results["derivatives"]["worst_relative_deviation"]
    rows.append(["Derivatives by cells against finite differences, relative", f"{deviation:.0e}", "", "", ""])
    time = results["ms_per_shower"]
    rows.append([f"ms a shower, batches of {time['batch']:,}", f"{time['median']:.2g}", "", "", ""])
    return markdown(["", "likelihood, uniform", "likelihood, log-uniform", "MSE, uniform", "MSE, log-uniform"], rows)


_PRIORS = ("uniform", "log_uniform")


def _worst(what):
    """Return a function of a run: the largest deviation of its bins from one, in percent."""
    return lambda run: 100 * max(abs(bin["value"] - 1) for bin in run[what])


def _values(column, scale, digits):
    """Write the values of all seeds with their largest error."""
    error = scale * max(entry["error"] for entry in column)
    return f"{each((scale * entry['value'] for entry in column), digits)} (± {error:.{digits}f})"


def anomaly(results: Results) -> str:
    """Show how well the likelihood of photons alone separates pairs of photons, for each mass and decay length."""
    points = sorted(
        results["supervised"]["points"],
        key=lambda point: -results["summary"]["estimated, one-sided"][point]["auc"]["mean"],
    )
    one, two = ([run["estimated"][side] for run in seeds(results, "seed")] for side in ("one", "two"))
    rows = [
        [
            _point(point),
            _of_runs([run[point]["auc"] for run in one]),
            auc(statistics.fmean(run[point]["auc"][0] for run in two)),
            _of_runs([run[point]["sic_max"] for run in one]),
            auc(results["supervised"]["points"][point]["auc"][0]),
        ]
        for point in points
    ]
    heads = ["mass, decay before the face", "AUC, one-sided", "AUC, two-sided", "largest SIC, one-sided"]
    return markdown([*heads, "AUC, supervised on 200 pairs"], rows)


def _point(name: str) -> str:
    """Write `M500_L330`, a mass in MeV and a length in mm, in GeV and m."""
    mass, length = map(int, re.findall(r"\d+", name))
    return f"{mass / 1000:g} GeV, {length / 1000:.2f} m"


def _of_runs(found: list) -> str:
    """Write the value and error of a single run, or mean and standard deviation of several."""
    values = [value for value, _ in found]
    return with_error(*found[0]) if len(found) == 1 else with_error(statistics.fmean(values), statistics.stdev(values))


FAULTS = {
    "b": "no fault",
    "shuffled": "layers shuffled",
    "scaled": "energies x 1.02",
    "rotated": "showers turned as a whole",
    "twisted": "layers turned",
    "smeared": "voxels smeared 30 %",
    "repeated": "50 showers, 20 times",
}
KINDS = {
    "energy": "energies",
    "centre_eta": "centres in eta",
    "centre_phi": "centres in phi",
    "width_eta": "widths in eta",
    "width_phi": "widths in phi",
    "centre_r": "centres in r",
    "width_r": "widths in r",
    "sparsity": "sparsity",
}


def calochallenge_faults(results: Results) -> str:
    """Show which metric of the CaloChallenge sees which fault."""
    scores, found = results["scores"], results["seen"]
    names = [name for name in FAULTS if name in scores]
    rows = [
        ["E_tot/E_inc; voxel energies", *("; ".join(_seen(found[name], k) for k in _SUMS) for name in names)],
        ["energies, centres, widths, sparsity of layers", *(_layers(scores[name], found[name]) for name in names)],
    ]
    for key, text, scale, digits in (("fpd", "FPD", 1, 0), ("kpd", "KPD", 1, 1)):
        error = scores["b"][f"{key}_error"]
        rows.append([f"{text} x 1e3 (± {error:.{digits}f})"])
        rows[-1] += [f"{scale * scores[name][key]:,.{digits}f}" for name in names]
    for keys in (("precision", "recall"), ("density", "coverage"), ("auc_high", "auc_low", "auc_low_normed")):
        error = max(scores["b"][f"{key}_error"] for key in keys)
        text = " / ".join(keys).replace("auc_", "").replace("_", "-")
        rows.append([f"{'AUC ' * keys[0].startswith('auc')}{text} (± {error:.2g})"])
        rows[-1] += [" / ".join(f"{scores[name][key]:.2f}" for key in keys) for name in names]
    posterior = results["log_posterior"]
    rows.append([f"log-posterior among all (± {posterior['b']['log_posterior_error']:.2f})"])
    rows[-1] += [f"{posterior[name]['log_posterior']:.2f}" for name in names]
    return markdown(["", *(FAULTS[name] for name in names)], rows)


_SUMS = ("etot_over_einc", "voxels")


def _seen(found: Results, kind: str) -> str:
    return "seen" if found[f"separation {kind}"] else "-"


def _layers(scores: Results, found: Results) -> str:
    """Say in which histograms of layers a fault is seen, and in how many of the layers."""
    kinds = {kind: scores["separation"][kind] for kind in KINDS if found[f"separation {kind}"]}
    if len(kinds) in (0, len(KINDS)):
        return "seen" if kinds else "-"
    return "seen: " + ", ".join(f"{KINDS[kind]} ({100 * share:.0f} %)" for kind, share in kinds.items())
