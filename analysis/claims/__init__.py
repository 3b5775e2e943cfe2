"""One file a claim: statement, proof in three lines, assumptions, bound, measurement, and a control that must fail."""
