package mcp

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/mark3labs/mcp-go/mcp"
)

// misread answers a request whose params the library would refuse in the words
// of its own decoder, or with no hint. It is nil for every other message.
func (s *Server) misread(message []byte) []byte {
	if !bytes.Contains(message, []byte(`"tools/call"`)) {
		return nil
	}
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if json.Unmarshal(message, &call) != nil || call.Method != string(mcp.MethodToolsCall) || len(call.ID) == 0 {
		return nil
	}
	var params struct {
		Name      *string         `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
		Meta      *struct{}       `json:"_meta"`
	}
	if json.Unmarshal(call.Params, &params) != nil || params.Name == nil {
		return errorAnswer(call.ID, mcp.INVALID_PARAMS, `the params of tools/call must be an object: {"name": "…", "arguments": {…}}`)
	}
	tools := s.inner().ListTools()
	if tools[*params.Name] == nil {
		names := make([]string, 0, len(tools))
		for name := range tools {
			names = append(names, name)
		}
		slices.Sort(names)
		message := "there is no tool " + quoted(*params.Name)
		if hint := dataflow.DidYouMean(*params.Name, names); hint != "" {
			message += "; " + hint
		}
		return errorAnswer(call.ID, mcp.INVALID_PARAMS, message)
	}
	var arguments any
	if len(params.Arguments) > 0 && json.Unmarshal(params.Arguments, &arguments) != nil {
		return errorAnswer(call.ID, mcp.INVALID_PARAMS, "the arguments can't be read: a number in them is too large")
	}
	return nil
}

func quoted(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return `"` + s + `"`
}

// errorAnswer is the JSON-RPC error that answers a request.
func errorAnswer(id json.RawMessage, code int, message string) []byte {
	// A raw message that was decoded, strings and numbers always encode.
	text, _ := json.Marshal(map[string]any{
		"jsonrpc": mcp.JSONRPC_VERSION,
		"id":      id,
		"error":   map[string]any{"code": code, "message": message},
	})
	return text
}
