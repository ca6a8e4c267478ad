//go:build !unix

package pgtest

import "errors"

func start() (string, error) {
	return "", errors.New("here a server is not started by the tests; FLOWCTL_TEST_POSTGRES may name one")
}
