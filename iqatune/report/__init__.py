"""Reports: from records to tables and figures, and from those to Markdown, CSV, LaTeX and one HTML page."""
