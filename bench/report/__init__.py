"""Result folder in; HTML, Markdown, charts and exports out. Reads files only."""
