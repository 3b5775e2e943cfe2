"""Scripts that test the theory, measure speed and draw the figures; they use the package as any user would."""
