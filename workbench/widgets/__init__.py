"""What a person sees and moves in a notebook. Widgets compute nothing: they call the package.

`panel` puts the parts together; `search_panel`, `weight_tuner`, `compare`, `profile_picker`,
`memory_plot`, `judging` stand alone. `base` has what all share: templates, style, the box for
messages. `static/` holds the style and the browser's part of each widget: plain files, joined as
they are, no build step and no network.
"""
