"""From finished runs to tables, figures and pages; reads nothing but the files of run directories."""
