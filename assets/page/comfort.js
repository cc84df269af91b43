// What a visitor chooses for the whole page: larger text for projectors, or to start afresh.

const LARGE = "ldm-large";
function showLarge() {
  const on = localStorage.getItem(LARGE) === "yes";
  document.body.classList.toggle("ldm-large", on);
  document.querySelector('[data-do="large"]')?.setAttribute("aria-pressed", String(on));
}

document.addEventListener("click", (event) => {
  const action = event.target.closest?.("[data-do]")?.dataset.do;
  if (action === "large") {
    localStorage.setItem(LARGE, localStorage.getItem(LARGE) === "yes" ? "no" : "yes");
    showLarge();

// Gradio's buttons take no label beside their sign.
function nameSigns() {
  for (const button of document.querySelectorAll(".ldm-swap:not([aria-label])")) {
    const name = phrase("size_swap");
    button.setAttribute("aria-label", name);
    button.title = name;
  }
}
  } else if (action === "afresh") {
    Object.keys(localStorage).filter((key) => key.startsWith(FORMS)).forEach((key) => localStorage.removeItem(key));
    sessionStorage.clear();
    location.href = location.pathname;
  }
});
showLarge();

// Gradio's buttons take no label beside their sign.
function nameSigns() {
  for (const button of document.querySelectorAll(".ldm-swap:not([aria-label])")) {
    const name = phrase("size_swap");
    button.setAttribute("aria-label", name);
    button.title = name;
  }
}
