// Last: look at the page now, and after each of its changes before it is painted.

function look() {
  translateAll();
  markFault();
  nameSigns();
  document.querySelectorAll("a.ldm-download:not([data-kept])").forEach(keepBytes);
  const list = document.querySelector(".ldm-history:not([data-count])");
  if (list) {
    list.dataset.count = "";
    showHistory();
  }
}
new MutationObserver(look).observe(document.body, {
  subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["data-field", "href", "data-state", "data-say", "data-with", "data-figure"],
});
look();
