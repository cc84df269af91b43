// A message names its field in data-field; mark that field and bring the message into view.

let marked = null;
function markFault() {
  const message = shown(".ldm-problem[data-field]");
  const key = message && message.dataset.field + message.textContent;
  if (key === marked) return;
  marked = key;
  document.querySelectorAll(".ldm-at-fault").forEach((e) => e.classList.remove("ldm-at-fault"));
  if (!message) return;
  document.getElementById(message.dataset.field)?.classList.add("ldm-at-fault");
  message.scrollIntoView({ block: "nearest", behavior: "smooth" });
}
