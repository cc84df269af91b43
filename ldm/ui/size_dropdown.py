"""The choice of a size.

In a file of its own, as Gradio writes a .pyi beside the file of a component's class.
"""

from typing import Any

import gradio as gr


class SizeDropdown(gr.Dropdown):
    """Takes a size that is not in its list: the form checks it, and says what is allowed.

    A page that comes back brings the size it had, before this session knows which model it had
    chosen, and so whose sizes the list holds. Gradio would answer that with an error.
    """

    is_template = True  # drawn as the component that it is made of

    def preprocess(self, payload: Any) -> Any:
        return payload
