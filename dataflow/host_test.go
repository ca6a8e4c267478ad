package dataflow_test

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

func TestHosts(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "0.0.0.0": true, "::1": true, "::": true, "fe80::1%eth0": true, "localhost": true, "shop.example.org": true,
		"shop.example.org.": true, "db_1": true, "": false, " ": false, "bad host": false, "127.0.0.1:8000": false, "[::1]": false,
		"http://shop.example.org": false, "300.1.1.1": false, "1.2.3": false, "shop..org": false, "-": false,
	} {
		if dataflow.IsHost(text) != want {
			t.Errorf("IsHost(%q) is %v", text, !want)
		}
	}
}
