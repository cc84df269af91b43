// LoRAs and their weights; the value is what a recipe holds: [[name, weight], ...].
// Runs once a component, with `element`, `props`, `trigger` and `watch` from Gradio.

const items = [...element.querySelectorAll("[data-lora]")];
const parts = (item) => ["input[type=checkbox]", "input[type=range]", "output"].map((part) => item.querySelector(part));

function show() {
  const here = new Set(items.map((item) => item.dataset.lora));
  // A recipe or an earlier visit can name some that this host does not have.
  if (props.value?.some(([name]) => !here.has(name))) props.value = props.value.filter(([name]) => here.has(name));
  const chosen = new Map(props.value ?? []);
  for (const item of items) {
    const [box, slider, said] = parts(item);
    box.checked = chosen.has(item.dataset.lora);
    if (box.checked) slider.value = chosen.get(item.dataset.lora);
    slider.disabled = !box.checked;
    said.textContent = slider.value;
  }
}

element.addEventListener("input", () => {
  props.value = items
    .map((item) => [item, ...parts(item)])
    .filter(([, box]) => box.checked)
    .map(([item, , slider]) => [item.dataset.lora, Number(slider.value)]);
  show();
  trigger("change");
});
watch("value", show);
show();
