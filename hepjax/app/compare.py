"""What `hepjax compare` does: files in, files out."""

from __future__ import annotations

import functools

import jax

from hepjax import data, evaluation, report
from hepjax.app.options import Compare
from hepjax.provenance import provenance


def run(options: Compare) -> None:
    """`hepjax compare`: metrics.json, figures/ and report.html."""
    named = {"reference": options.reference, "generated": options.generated, "baseline": options.baseline}
    reference = data.showers.read(options.reference)

    read = functools.partial(data.showers.read, geometry=reference.geometry)
    generated = read(options.generated)
    baseline, train = (read(address) if address else None for address in (options.baseline, options.train))
    for address, sample in (
        (options.reference, reference),
        (options.generated, generated),
        (options.baseline, baseline),
    ):
        remark = None if sample is None else data.units.remark(sample)
        if remark:
            print(f"hepjax: {address}: {remark}")
    with data.output.claim(options.out, overwrite=options.overwrite) as folder:
        comparison = evaluation.compare(
            jax.random.key(options.seed),
            reference,
            generated,
            baseline,
            train=train,
            asked=options.metrics,
            largest=options.showers,
        )
        given = {name: address for name, address in named.items() if address}
        report.write_report(folder, comparison, given | provenance())
    for note in comparison.metrics["notes"]:
        print(note)
