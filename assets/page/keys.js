// Ctrl + Enter generates, Esc stops, wherever the focus is.

const shown = (selector) => [...document.querySelectorAll(selector)].find((e) => e.offsetParent !== null);

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const button = shown("button.ldm-generate");
    if (!button || button.disabled) return;
    event.preventDefault();
    event.stopPropagation();
    // A number being typed is taken over when its field is left.
    const field = document.activeElement;
    if (field?.tagName === "INPUT") field.blur();
    setTimeout(() => button.click(), 0);
  } else if (event.key === "Escape") {
    const button = shown("button.ldm-stop");
    if (button && !button.disabled) button.click();
  }
}, true);
