package codec

import (
	"fmt"
	"strings"
	"time"
)

// ParseDuration reads "100ms", "1m30s", "2h" or "7d".
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int64
		if _, err := fmt.Sscanf(days+"|", "%d|", &n); err == nil && n > -100_000 && n < 100_000 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf(`%q is no duration; write it as "100ms", "30s", "1m30s", "2h" or "7d"`, s)
	}
	return d, nil
}
