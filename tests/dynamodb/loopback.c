/* Preloaded into DynamoDB Local: it asks for every interface and gets 127.0.0.1. It runs with Java's IPv4 stack, so no other family occurs. */

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr *address, socklen_t length) {
    struct sockaddr_in ours;
    if (address->sa_family == AF_INET && length >= sizeof ours) {
        ours = *(const struct sockaddr_in *)address;
        ours.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address = (const struct sockaddr *)&ours;
    }
    return (int)syscall(SYS_bind, fd, address, length);
}
