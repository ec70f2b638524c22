"""The parity report for people: plain text, and HTML through a template that escapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.evaluation.tables import rendered

if TYPE_CHECKING:
    from workbench.evaluation.likeness.parity import ParityReport, WeightParity


def parity_text(report: ParityReport) -> str:
    """What differs, why, and whether weights hold."""
    lines = [
        f"{report.first} and {report.second}: {len(report.overlap)} queries, best {report.k}",
        f"  overlap {report.mean_overlap:.3f} (least {min(report.overlap.values()):.2f}), "
        f"rank-biased overlap {report.mean_rbo:.3f}",
        "  of the first's best candidates the second has "
        + ", ".join(f"{share:.1%} of {name}" for name, share in report.recall.items()),
    ]
    for signal in report.signals:
        causes = ", ".join(f"{name} {count}" for name, count in signal.causes.items())
        lines.append(
            f"  {signal.name}: {signal.equal:.1%} of {signal.passages:,} values equal, mean "
            f"difference {signal.mean:.2g}, largest {signal.largest:.2g}"
            + (f" ({causes})" if causes else "")
        )
    if report.lost:
        lost = ", ".join(f"{name} {count}" for name, count in report.lost.items())
        lines.append(f"  papers that left the lists: {lost}")
    lines += [f"  {name}: {meaning}" for name, meaning in report.causes.items()]
    if report.weights is not None:
        lines.append(f"  {weights_sentence(report.weights)}")
    return "\n".join(lines)


def weights_sentence(weights: WeightParity) -> str:
    """Whether weights tuned on the one hold on the other."""
    verdict = "hold" if weights.holds else "do not hold"
    return (
        f"{weights.metric} {weights.first:.4f} and {weights.second:.4f} at the same weights; best "
        f"dense weight {weights.first_best:g} and {weights.second_best:g}; regret "
        f"{weights.regret:.4f}: weights {verdict}"
    )


def parity_html(report: ParityReport) -> str:
    """The table that a notebook shows."""
    sentence = None if report.weights is None else weights_sentence(report.weights)
    return rendered("parity.html", report=report, sentence=sentence)
