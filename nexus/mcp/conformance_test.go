package mcp_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The official suite of the protocol holds the server to every scenario that a
// revision requires, and reports those that it does not score. FLOWCTL_MCP_SUITE
// is a folder where npm has installed it; see .ci/run.
func TestConformance(t *testing.T) {
	dir := os.Getenv("FLOWCTL_MCP_SUITE")
	if dir == "" {
		if os.Getenv("FLOWCTL_REQUIRE_NODE") != "" {
			t.Fatal("FLOWCTL_MCP_SUITE names no folder with the conformance suite, and FLOWCTL_REQUIRE_NODE is set")
		}
		t.Skip("NOT TESTED against the protocol's conformance suite: FLOWCTL_MCP_SUITE names no folder with it")
	}
	node := filepath.Join(dir, "node_modules", ".bin", "node")
	suite := filepath.Join(dir, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js")
	for _, revision := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(revision, func(t *testing.T) {
			ts := httptest.NewServer(newFixture(t))
			t.Cleanup(ts.Close)
			cmd := exec.CommandContext(t.Context(), node, suite, "server", "--url", ts.URL+"/mcp/all", "--requirements", revision, "-o", t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if !strings.Contains(string(out), "Passed") && !strings.Contains(string(out), "passed") {
				t.Errorf("the suite says nothing of what has passed:\n%s", out)
			}
			t.Logf("%s", out)
		})
	}
}
