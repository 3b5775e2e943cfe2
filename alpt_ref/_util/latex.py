"""Text for LaTeX, with its markup escaped and the signs of this package as mathematics."""

from __future__ import annotations

_LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "~": r"\textasciitilde{}", "^": r"\^{}"}
_LATEX |= {"±": r"$\pm$", "−": "$-$", "η": r"$\eta$", "Δ": r"$\Delta$", "–": "--", "×": r"$\times$", "≤": r"$\leq$"}
_LATEX |= {"<": "$<$", ">": "$>$", "{": r"\{", "}": r"\}", "\\": r"\textbackslash{}", "≥": r"$\geq$", "…": r"\ldots{}"}
_LATEX |= {"√": r"$\surd$", "·": r"$\cdot$", "²": "$^2$", "λ": r"$\lambda$", "σ": r"$\sigma$", "μ": r"$\mu$"}


def latex_text(text: str) -> str:
    """`text` with everything that LaTeX would take for markup escaped."""
    return "".join(_LATEX.get(letter, letter) for letter in text)
