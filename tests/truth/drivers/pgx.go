// pgx v4, as drivers.c speaks to it.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v4"
)

const atOnce = 8

func cell(c map[string]string) string {
	ms, _ := strconv.Atoi(c["deadline"])
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(ms)*time.Millisecond)
	defer cancel()
	words := fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=postgres sslmode=%s",
		c["host"], c["port"], c["user"], c["password"], c["mode"])
	for _, k := range [][2]string{{"sslrootcert", "ca"}, {"sslcert", "cert"}, {"sslkey", "key"}} {
		if c[k[1]] != "" {
			words += fmt.Sprintf(" %s='%s'", k[0], c[k[1]])
		}
	}
	config, err := pgx.ParseConfig(words)
	if err == nil {
		config.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
			return []string{"127.0.0.1"}, nil
		}
		var conn *pgx.Conn
		if conn, err = pgx.ConnectConfig(ctx, config); err == nil {
			_, secure := conn.PgConn().Conn().(*tls.Conn)
			conn.PgConn().Conn().Close()
			if secure {
				return "ok\ttls"
			}
			return "ok\tplain"
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "hangs"
	}
	return "error\t" + strings.Join(strings.Fields(err.Error()), " ")
}

func main() {
	for _, word := range os.Environ() {
		if strings.HasPrefix(word, "PG") {
			os.Unsetenv(strings.SplitN(word, "=", 2)[0])
		}
	}
	fmt.Println("ready v4 as packaged,", runtime.Version())
	var lock sync.Mutex
	var all sync.WaitGroup
	gate := make(chan bool, atOnce)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		c := map[string]string{}
		for _, word := range strings.Split(in.Text(), "\t") {
			kv := strings.SplitN(word, "=", 2)
			c[kv[0]] = kv[1]
		}
		all.Add(1)
		go func() {
			gate <- true
			said := cell(c)
			<-gate
			lock.Lock()
			fmt.Printf("%s\t%s\n", c["id"], said)
			lock.Unlock()
			all.Done()
		}()
	}
	all.Wait()
}
