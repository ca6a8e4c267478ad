// Starts "flowctl lsp" and lets the editor talk to it. All that is known of the
// language is known there.
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const command = vscode.workspace.getConfiguration("flowctl").get("path", "flowctl");
  client = new LanguageClient(
    "flowctl",
    "flowctl",
    { command, args: ["lsp"] },
    {
      documentSelector: [{ scheme: "file", language: "starlark" }],
      synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.star") },
    },
  );
  try {
    await client.start();
  } catch (err) {
    client = undefined;
    vscode.window.showErrorMessage(`"${command} lsp" can't be started: ${err.message}. Install flowctl, or set flowctl.path.`);
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running) {
    await running.stop();
  }
}

async function restart() {
  await stop();
  await start();
}

exports.activate = async (context) => {
  context.subscriptions.push(
    vscode.commands.registerCommand("flowctl.restart", restart),
    vscode.workspace.onDidChangeConfiguration((e) => e.affectsConfiguration("flowctl.path") && restart()),
  );
  await start();
};

exports.deactivate = stop;
