// Whose work is whose: a secret of this browser tab, by which the server finds a run again after a
// reload or a lost connection. And what is typed, kept in this browser for the next visit.

const SECRET = "ldm-visit";
const cameByLink = new URLSearchParams(location.search).has("q");

window.ldmVisit = () => {
  // Who comes for a lesson is shown that, not the run they left elsewhere.
  if (new URLSearchParams(location.search).has("lesson")) return "";
  let secret = sessionStorage.getItem(SECRET);
  if (!secret) {
    const random = crypto.getRandomValues(new Uint8Array(16));
    secret = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem(SECRET, secret);
  }
  return secret;
};

// Asked for when the page is ready.
window.ldmArrive = () => {
  window.dispatchEvent(new Event("ldm-ready"));
  return window.ldmVisit();
};

const FORMS = "ldm-form-";
window.ldmForms = {
  keep: (tab, values) => localStorage.setItem(FORMS + tab, JSON.stringify(values)),
  // A link brings its own recipe; what was typed before must not mix with it.
  take: (tab, values) => {
    const kept = cameByLink ? null : localStorage.getItem(FORMS + tab);
    const found = kept ? JSON.parse(kept) : [];
    // Nothing kept changes nothing: what is typed meanwhile must stay.
    return found.length === values.length ? found : values.map(() => ({ __type__: "update" }));
  },
};

// The connection is back: look for what it missed. Gradio's own stream does not pick it up again.
window.addEventListener("online", () => document.querySelector("#ldm-again")?.click());
