"""Pure: which destination must a request reach? The second opinion; never imports translate."""
