// Starts what every page has. Each file is one behaviour, and a page works without any of them.

import "./zone.js";
import "./times.js";
import "./menus.js";
import "./dialogs.js";
import "./toasts.js";
import "./shortcuts.js";
import "./tips.js";
import "./forms.js";
import "./savebar.js";
import "./bulk.js";
import "./look.js";
import "./focus.js";
import "./requests.js";
