package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// maxMessage bounds what a message may take of memory; maxHeader its header.
const (
	maxMessage = 64 << 20
	maxHeader  = 8 << 10
)

// errFraming is a stream on which no next message can be found.
var errFraming = errors.New("the stream can't be read as messages of the Language Server Protocol")

// readMessage reads the content of one message.
func readMessage(r *bufio.Reader) ([]byte, error) {
	length, read := -1, 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, io.EOF) && read == 0 && len(line) == 0 {
				return nil, io.EOF
			}
			return nil, fmt.Errorf("%w: the header is cut off", errFraming)
		}
		if read += len(line); read > maxHeader {
			return nil, fmt.Errorf("%w: the header is longer than %d bytes", errFraming, maxHeader)
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		name, value, _ := strings.Cut(text, ":")
		if strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil || length < 0 || length > maxMessage {
				return nil, fmt.Errorf("%w: Content-Length is %q", errFraming, value)
			}
		}
	}
	if length < 0 {
		return nil, fmt.Errorf("%w: a message has no Content-Length", errFraming)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("%w: a message is cut off", errFraming)
	}
	return body, nil
}

// incoming is a request, or a notification if ID is missing.
type incoming struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// isRequest reports whether an answer is due.
func (m *incoming) isRequest() bool { return len(m.ID) > 0 }

// wireError is the error of an answer.
type wireError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *wireError) Error() string { return e.Message }

// The codes of errors that are used, as JSON-RPC and the protocol name them.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeNotInitialized = -32002
	codeCancelled      = -32800
	codeRequestFailed  = -32803
)

func invalidParams(message string) error { return &wireError{codeInvalidParams, message} }

// sender writes messages, one at a time.
type sender struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sender) send(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintf(s.w, "Content-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return fmt.Errorf("write a message: %w", err)
	}
	return nil
}

func (s *sender) answer(id json.RawMessage, result any, err error) error {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	if err == nil {
		return s.send(struct {
			Version string          `json:"jsonrpc"`
			ID      json.RawMessage `json:"id"`
			Result  any             `json:"result"`
		}{"2.0", id, result})
	}
	we, ok := errors.AsType[*wireError](err)
	if !ok {
		we = &wireError{codeInternal, err.Error()}
	}
	return s.send(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   *wireError      `json:"error"`
	}{"2.0", id, we})
}

func (s *sender) notify(method string, params any) error {
	return s.send(struct {
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{"2.0", method, params})
}
