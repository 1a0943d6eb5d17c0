// The icon, its shortcut, and "Show the customer's record" in the menu of a
// selection open the panel. Each of them also lets the panel read this tab,
// until the tab goes to another site (the permission activeTab).

const MENU = "show";

export function open(tab) {
    // No awaiting in between: a panel opens only at once after a click.
    chrome.sidePanel.setOptions({ tabId: tab.id, enabled: true,
                                  path: `panel.html?tab=${tab.id}` });
    chrome.sidePanel.open({ tabId: tab.id });

    // A panel that is open already reads the page again; any other one does
    // so when it opens, and nobody listens yet.
    chrome.runtime.sendMessage({ look: tab.id }).catch(() => {});
}


chrome.runtime.onInstalled.addListener(() => {
    chrome.contextMenus.create({ id: MENU, contexts: ["selection"],
                                 title: "Show the customer's record" });
});

chrome.action.onClicked.addListener(open);

chrome.contextMenus.onClicked.addListener((info, tab) => {
    if (info.menuItemId === MENU) {
        open(tab);
    }
});
