"""Study results as tables, plots and pages."""
