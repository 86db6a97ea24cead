// SPDX-License-Identifier: Apache-2.0
// Processes and their ends.
#include "daxcore/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

namespace holdfast::daxcore {
namespace {

TEST(Process, IdentifiesItself) {
  const auto self = Identify(getpid());
  ASSERT_TRUE(self);
  EXPECT_EQ(self->pid, getpid());
  EXPECT_GT(self->start_time, 0U);
  EXPECT_TRUE(IsAlive(*self));
  EXPECT_EQ(*Identify(getpid()), *self) << "always the same";
}

TEST(Process, AnotherProcessWithTheSamePidIsNotTheSame) {
  ProcessId self = *Identify(getpid());
  --self.start_time;
  EXPECT_FALSE(IsAlive(self));
}

TEST(Process, AZombieIsDead) {
  const pid_t child = fork();
  if (child == 0) pause();
  const ProcessId id = *Identify(child);
  EXPECT_TRUE(IsAlive(id));
  kill(child, SIGKILL);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(IsAlive(id)) << "not reaped yet, but dead";
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(IsAlive(id));
  EXPECT_EQ(Identify(child).error().code, ESRCH);
  EXPECT_EQ(CommandOf(child), "");
}

TEST(Process, AProcessLivesAsLongAsAnyOfItsThreads) {
  const pid_t child = fork();
  if (child == 0) {
    std::thread([] { pause(); }).detach();
    syscall(SYS_exit, 0);  // this thread only
  }
  const ProcessId id = *Identify(child);
  const auto main_has_ended = [child] {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string text;
    std::getline(stat, text);
    return text.find(") Z ") != std::string::npos;
  };
  while (!main_has_ended()) usleep(1000);
  EXPECT_TRUE(IsAlive(id));
  kill(child, SIGKILL);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(IsAlive(id));
  waitpid(child, nullptr, 0);
}

TEST(Process, CommandNamesMayHoldAnything) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NAME, ") S 1 (x");
    pause();
  }
  while (CommandOf(child) != ") S 1 (x") usleep(1000);
  EXPECT_TRUE(Identify(child));
  EXPECT_TRUE(IsAlive(*Identify(child)));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(Process, AThreadBelongsToItsProcess) {
  pid_t thread = 0;
  std::thread([&] {
    thread = gettid();
    EXPECT_NE(thread, getpid());
    EXPECT_TRUE(HasThread(getpid(), thread));
    const auto owner = IdentifyOwnerOf(thread);
    ASSERT_TRUE(owner);
    EXPECT_EQ(*owner, *Identify(getpid()));
  }).join();
  EXPECT_TRUE(HasThread(getpid(), getpid()));
  EXPECT_FALSE(HasThread(getpid(), getppid()));
  EXPECT_EQ(IdentifyOwnerOf(0).error().code, ESRCH);
  EXPECT_EQ(IdentifyOwnerOf(1 << 30).error().code, ESRCH);
}

}  // namespace
}  // namespace holdfast::daxcore
