package mcp_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/nexus/mcp"
)

// suite is the folder where npm has installed what holds a server to the
// protocol, and its own node; see .ci/run.
func suite(t *testing.T) (dir, node string) {
	dir = os.Getenv("FLOWCTL_MCP_SUITE")
	if dir == "" {
		if os.Getenv("FLOWCTL_REQUIRE_NODE") != "" {
			t.Fatal("FLOWCTL_MCP_SUITE names no folder with the conformance suite, and FLOWCTL_REQUIRE_NODE is set")
		}
		t.Skip("SKIPPED, NOT TESTED against the protocol's own suites: FLOWCTL_MCP_SUITE names no folder with them")
	}
	return dir, filepath.Join(dir, "node_modules", ".bin", "node")
}

// The official suite of the protocol holds the server to every scenario that a
// revision requires, and reports those that it does not score.
func TestConformance(t *testing.T) {
	dir, node := suite(t)
	conformance := filepath.Join(dir, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js")
	for _, revision := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(revision, func(t *testing.T) {
			ts := httptest.NewServer(newFixture(t))
			t.Cleanup(ts.Close)
			cmd := exec.CommandContext(t.Context(), node, conformance, "server", "--url", ts.URL+"/mcp/all", "--requirements", revision, "-o", t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if !strings.Contains(string(out), "Not scored for "+revision) {
				t.Errorf("the suite has not come to its end:\n%s", out)
			}
			t.Logf("%s", out)
		})
	}
}

// The inspector finds nothing in the schemas of tools that some client could not
// take, whichever revision it speaks.
func TestTheInspectorFindsNothing(t *testing.T) {
	dir, node := suite(t)
	inspector := filepath.Join(dir, "node_modules", ".bin", "mcp-inspector")
	ts := httptest.NewServer(newServer(t, mcp.Options{Version: "1"}).Handler())
	t.Cleanup(ts.Close)
	for _, set := range []string{"/mcp", "/mcp/all", "/mcp/readonly"} {
		cmd := exec.CommandContext(t.Context(), node, inspector, "--cli", ts.URL+set, "--transport", "http", "--method", "tools/list", "--strict")
		var found bytes.Buffer
		cmd.Stderr = &found
		out, err := cmd.Output()
		if err != nil || found.Len() > 0 || !bytes.Contains(out, []byte(`"tools"`)) {
			t.Errorf("%s: %v\n%s%s", set, err, found.String(), out)
		}
	}
}
