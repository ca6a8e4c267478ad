package dataflow

import (
	"net"
	"strings"
)

// HostForm says how an address to listen on is written.
const HostForm = `write an address, as "127.0.0.1", or the name of a machine, without a port`

var hostLabel = NameShape{First: Letters | Digits, Rest: Word | Dash, Most: 63}

// IsHost reports whether a text can be an address to listen on: that of a
// machine, or a name.
func IsHost(text string) bool {
	address, _, _ := strings.Cut(text, "%") // a zone, as fe80::1%eth0 has one
	if net.ParseIP(address) != nil {
		return true
	}
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for _, label := range labels {
		if !hostLabel.Fits(label) {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != "" // else it is meant for an address
}
