// One axis of the grid: which setting, which values. Runs once a component, with Gradio's names.

const select = element.querySelector("select");
const values = element.querySelector("textarea");

function show() {
  const captions = select.value === "prompt";
  element.querySelector(".ldm-commas").hidden = captions;
  element.querySelector(".ldm-lines").hidden = !captions;
  values.rows = captions ? 4 : 2;
  values.closest("label").hidden = !select.value;
}
function tell() {
  props.value = { field: select.value, values: values.value };
}

select.addEventListener("change", () => {
  values.value = select.selectedOptions[0].dataset.values;
  show();
  tell();
});
values.addEventListener("input", tell);
select.value = props.value.field;
values.value = props.value.values;
show();
